"""Protection: objectives, steps and the one loop; methods are put together from them."""
