"""RDG: SIFT keypoints removed by a perturbation of least energy."""
