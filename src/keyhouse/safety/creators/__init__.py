"""Who is approved to make projects, where not everybody may."""
