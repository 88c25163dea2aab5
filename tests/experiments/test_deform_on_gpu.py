import deform_on_gpu as script
import pytest
import torch


@pytest.mark.skipif(torch.cuda.is_available(), reason="the message of a machine without CUDA")
def test_deform_on_gpu_without_cuda_is_one_line(capsys):
    assert script.main([]) == 2
    assert capsys.readouterr().err == "deform_on_gpu: needs a CUDA device\n"


@pytest.mark.gpu
def test_deform_on_gpu_prints_all_layers(capsys):
    assert script.main(["--batch", "1", "--size", "64", "96", "--dtypes", "fp32", "--repeats", "2"]) == 0
    assert "all layers" in capsys.readouterr().out
