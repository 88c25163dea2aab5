"""The audit table tells what the optimiser holds."""

from torch import nn

from fairmot.config.load import load_cfg
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.optim.groups import describe_groups

CFG = load_cfg(
    None,
    ["SOLVER.WEIGHT_DECAY", "0.0005", "SOLVER.BACKBONE_LR", "0.1", "SOLVER.OPTIMIZER", "sgd", "SOLVER.WARMUP", "9"],
)
TABLE = """\
group               tensors   values   rate   decay
backbone                  1  200,000  1e-05  0.0005
network                   1    1,000  0.0001  0.0005
network_no_decay          1       10  0.0001       0
criterion_no_decay        2       40  0.0001       0
total                     5  201,050"""


def test_a_line_a_group_and_the_totals():
    model = nn.ModuleDict({"backbone": nn.Linear(2000, 100, bias=False), "heads": nn.Linear(100, 10)})
    optimizer = build_optimizer(CFG, model=model, criterion=nn.BatchNorm1d(20))
    build_schedule(CFG, optimizer, steps_per_epoch=5)
    assert optimizer.param_groups[1]["lr"] < 1e-4
    table = describe_groups(optimizer)
    assert [line.split() for line in table.splitlines()] == [line.split() for line in TABLE.splitlines()]
    *rows, total = table.splitlines()
    assert len({len(row) for row in rows}) == 1
    assert total.index("201,050") == rows[1].index("200,000")
