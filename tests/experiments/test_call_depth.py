"""Call depth of a training step: the two chains stay below their limits."""

import call_depth


def test_call_depth_of_a_training_step_is_below_its_limits(tmp_path):
    chains = call_depth.measure_chains(tmp_path)
    loss, decode = chains["identity loss"], chains["decoded pixels"]
    assert (loss[0], loss[-1]) == ("cli.py:main", "losses/identity.py:IdentityLoss.forward")
    assert (decode[0], decode[-1]) == ("engine/trainer.py:Trainer.fit", "formats/jpeg.py:decode_jpeg")
    assert len(loss) <= call_depth.LOSS_LIMIT, loss
    assert len(decode) <= call_depth.DECODE_LIMIT, decode
