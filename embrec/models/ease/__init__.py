"""The ranking model: EASE, a linear autoencoder of the movies that each user rated."""
