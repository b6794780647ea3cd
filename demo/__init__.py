"""A believable index on a throw-away folder: `./run demo`. Everybody and everything in it is made up."""
