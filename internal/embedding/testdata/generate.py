"""Writes the .npz files here: Debian's python3-numpy, /usr/bin/python3 generate.py in this folder."""
import numpy as np

x = (np.arange(15).reshape(5, 3) / 8 - 1).astype("<f4")
label = np.array(["dog", "cat", "dog", "Fluß", "cat"])
np.savez("plain.npz", x=x, y=np.array([0, 1, 0, 2, 1]), fold=np.array([1, 2, 1, 2, 1], dtype="u1"), classes=np.array(["a", "b", "c"]))
np.savez_compressed(
    "packed.npz", x=x.astype(">f8"), y=label.astype(">U5"), split=np.array([b"train", b"valid", b"train", b"test", b"test"]),
    start=np.array([0, 0.5, 0, 0, 1.25]), end=np.array([0.5, np.nan, 1, 1, 2], dtype="f4"), path=np.array(["a.wav"] * 4 + ["b.wav"]),
    extra=np.array([{}], dtype=object))
np.savez("objects.npz", x=x, y=label.astype(object))
np.save("float64.npy", x.astype("<f8"))
