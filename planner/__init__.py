"""The SPIRAL agent: stroke programs, policy, discriminator, search and training."""
