"""The embedded model, in Hugging Face layout; `README.md` is its model card, `training` made it."""
