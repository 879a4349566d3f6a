"""The ranking model: EASE, a linear autoencoder of which movies are rated together."""
