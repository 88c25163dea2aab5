"""The one exception that means "the user can mend this"."""


class InputError(ValueError):
    """Wrong input: a file, a line of a file, a config key or an argument.

    Its message is one line that names what is wrong and where. The command line prints it and exits with code 2;
    any other exception is a defect of the program and keeps its traceback.
    """
