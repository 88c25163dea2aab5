"""Builder of the options for reading live sources, from SOURCE."""

from fairmot.config.node import CfgNode
from fairmot.video.live import LiveOptions
from fairmot.video.stream import ReconnectPolicy


def live_options(cfg: CfgNode) -> LiveOptions:
    """Return SOURCE's options: how streams are opened again, and who drops frames under load."""
    patience = ReconnectPolicy(
        attempts=cfg.SOURCE.RECONNECT, wait=cfg.SOURCE.RECONNECT_WAIT, timeout=cfg.SOURCE.TIMEOUT
    )
    return LiveOptions(reconnect=patience, drop=cfg.SOURCE.DROP)
