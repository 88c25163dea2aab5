"""All losses and their balance."""

from torch import nn

from fairmot.codec.embedding_sampling import sample_for_training
from fairmot.losses.focal import HeatmapFocalLoss
from fairmot.losses.regression import ObjectL1Loss
from fairmot.losses.task_weighting import TaskWeighting
from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import HeadOutputs, LossTerms, TaskLosses


class JointLoss(nn.Module):
    """Heatmap, size and offset losses as one detection loss, balanced against the identity loss.

    identity: from `EmbeddingSamples` and the step's objects of known identity to a scalar;
    weights: of heatmap, size and offset within the detection loss; published 1, 0.1, 1;
    sampling: where embeddings are read, see `codec.sample`.
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

    def forward(self, outputs: HeadOutputs, batch: Batch, counts: ObjectCounts | None = None) -> LossTerms:
        """Dense maps and targets -> scalars; `total` is what to minimise, by the weights that the balance has now."""
        losses = self.measure(outputs, batch, counts)
        return losses.with_total(self.balance(losses.detection, losses.identity))

    def measure(self, outputs: HeadOutputs, batch: Batch, counts: ObjectCounts | None = None) -> TaskLosses:
        """Dense maps and targets -> the two tasks' losses, not yet balanced.

        counts: of all the shares of the step that this batch is one of. The mean of the shares' losses, and of their
        gradients, then equals that of one pass over all of them; not given, the batch is the whole step.
        """
        counts = counts or batch.count_objects()
        places = (batch.indices_BK, batch.mask_BK)
        heatmap = counts.shares * self.heatmap(outputs.heatmap, batch.heatmap_BCHW, counts.centres)
        size = counts.shares * self.at_objects(outputs.size_ltrb, batch.sizes_BK4, *places, counts.objects)
        offset = counts.shares * self.at_objects(outputs.offset, batch.offsets_BK2, *places, counts.objects)
        samples = sample_for_training(outputs.embedding, batch, how=self.sampling)
        identity = counts.shares * self.identity(samples, counts.identities)
        heatmap_weight, size_weight, offset_weight = self.weights
        detection = heatmap_weight * heatmap + size_weight * size + offset_weight * offset
        return TaskLosses(detection, identity, heatmap, size, offset)
