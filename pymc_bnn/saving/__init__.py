"""Folders on disk that are whole or not there, and arrays in them; nothing runs code."""
