"""Joint criterion of FairMOT: detection losses, identity loss and their task weighting."""

from torch import nn

from fairmot.codec.embedding_sampling import sample_for_training
from fairmot.losses.focal import HeatmapFocalLoss
from fairmot.losses.regression import ObjectL1Loss
from fairmot.losses.task_weighting import TaskWeighting
from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import HeadOutputs, TaskLosses


class JointLoss(nn.Module):
    """Losses of the detection task (heatmap, size and offset) and of the identity task.

    The loss to minimise is `balance(losses.detection, losses.identity)`. Source: FairMOT, equations 1 to 5.

    identity: from `EmbeddingSamples` and the number of objects of known identity in the step to a scalar;
    balance: task weighting; weights: of heatmap, size and offset within the detection loss;
    sampling: where embeddings are read, see `codec.embedding_sampling`.
    """

    def __init__(
        self,
        identity: nn.Module,
        balance: TaskWeighting,
        *,
        weights: tuple[float, float, float] = (1.0, 0.1, 1.0),
        sampling: str = "center",
    ) -> None:
        super().__init__()
        self.heatmap = HeatmapFocalLoss()
        self.at_objects = ObjectL1Loss()
        self.identity = identity
        self.balance = balance
        self.weights = weights
        self.sampling = sampling

    def forward(self, outputs: HeadOutputs, batch: Batch, counts: ObjectCounts | None = None) -> TaskLosses:
        """Dense maps and targets -> the losses of the two tasks, before weighting.

        counts: of all parts and ranks of the step that this batch is a part of. The mean over the parts of losses and
        gradients then equals that of one pass over all of them. By default the batch is the full step.
        """
        counts = counts or batch.count_objects()
        objects = (batch.indices_BK, batch.mask_BK)
        heatmap = counts.num_parts * self.heatmap(outputs.heatmap, batch.heatmap_BCHW, counts.centres)
        size = counts.num_parts * self.at_objects(outputs.size_ltrb, batch.sizes_BK4, *objects, counts.objects)
        offset = counts.num_parts * self.at_objects(outputs.offset, batch.offsets_BK2, *objects, counts.objects)
        samples = sample_for_training(outputs.embedding, batch, sampling=self.sampling)
        identity = counts.num_parts * self.identity(samples, counts.identities)
        heatmap_weight, size_weight, offset_weight = self.weights
        detection = heatmap_weight * heatmap + size_weight * size + offset_weight * offset
        return TaskLosses(detection, identity, heatmap, size, offset)
