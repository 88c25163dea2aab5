"""Builder of the options for live sources from the configuration section SOURCE."""

from fairmot.config.node import CfgNode
from fairmot.video.live import LiveOptions
from fairmot.video.stream import ReconnectPolicy


def live_options(cfg: CfgNode) -> LiveOptions:
    """Return how streams are reconnected and whether frames are dropped under load."""
    source = cfg.SOURCE
    policy = ReconnectPolicy(attempts=source.RECONNECT, wait=source.RECONNECT_WAIT, timeout=source.TIMEOUT)
    return LiveOptions(reconnect=policy, drop=source.DROP)
