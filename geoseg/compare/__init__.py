"""Compare: class maps, or images, of two or more dates: what turned into what, how much of it, and how sure that is."""
