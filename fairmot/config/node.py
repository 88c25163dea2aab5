"""The only file that knows yacs: a strict, truly frozen configuration node."""

from typing import Any

from yacs.config import CfgNode as YacsNode

from fairmot.utils.errors import InputError


class CfgNode(YacsNode):  # type: ignore[misc]
    """yacs's node, frozen for good once frozen: item assignment and merges raise too.

    Values are read as attributes (`cfg.MODEL.WIDTH`). Changing a value goes through `fairmot.config.load`.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if self.__dict__.get(YacsNode.IMMUTABLE, False):
            raise InputError(f"{key}: the configuration is frozen")
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        if self.__dict__.get(YacsNode.IMMUTABLE, False):
            raise InputError(f"{key}: the configuration is frozen")
        super().__delitem__(key)

    def merge_from_file(self, cfg_filename: str) -> None:
        """Not for use: a Python config would be executed."""
        raise InputError(f"{cfg_filename}: use fairmot.config.load.load_cfg")

    def merge_from_list(self, cfg_list: list[Any]) -> None:
        """Not for use: yacs's own merge checks neither types nor names as ours does."""
        raise InputError(f"{cfg_list}: use fairmot.config.load.load_cfg")
