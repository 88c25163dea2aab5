"""Exception for errors that the user can fix."""


class InputError(ValueError):
    """Wrong input: a file, a line of a file, a config key or an argument.

    Its message is one line that says what is wrong and where. The command line prints it and exits with code 2; any
    other exception is a bug and keeps its traceback.
    """
