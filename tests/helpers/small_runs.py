"""Overrides of a slim network and of a short training, for tests that run the command line."""

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "INPUT.SIZE_HW", "(64,96)"]
TRAINING = [*SLIM, "DATA.WORKERS", "0", "SOLVER.BATCH_SIZE", "4", "SOLVER.BASE_LR", "0.002"]
