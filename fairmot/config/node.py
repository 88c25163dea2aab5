"""Configuration node over yacs, immutable once frozen. The only module that imports yacs."""

from typing import Any

from yacs.config import CfgNode as YacsNode

from fairmot.utils.errors import InputError


class CfgNode(YacsNode):  # type: ignore[misc]
    """yacs node that refuses item assignment and merges once frozen.

    Values are read as attributes (`cfg.MODEL.WIDTH`) and set by `fairmot.config.load`.
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
        """Refuse: a Python file would be executed."""
        raise InputError(f"{cfg_filename}: use fairmot.config.load.load_cfg")

    def merge_from_list(self, cfg_list: list[Any]) -> None:
        """Refuse: yacs does not check the types of tuples."""
        raise InputError(f"{cfg_list}: use fairmot.config.load.load_cfg")
