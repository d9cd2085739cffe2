"""Operators by their names."""

from ppocr.data.imaug.make_border_map import MakeBorderMap
from ppocr.data.imaug.make_shrink_map import MakeShrinkMap

__all__ = ["MakeBorderMap", "MakeShrinkMap", "create_operators"]


def create_operators(op_param_list, global_config=None):
    items = [(name, keys) for item in op_param_list for name, keys in item.items()]
    return [globals()[name](**keys) for name, keys in items]
