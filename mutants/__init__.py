"""Bugs that break a promise, planted one at a time: does the suite notice?"""
