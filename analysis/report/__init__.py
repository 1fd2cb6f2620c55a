"""The report of a sweep, one HTML page: data gathers plain values, page writes them.

answer: question, words, intervals · curves: runs and means · tables · beside: what other commands
left in the folder · settings: what the runs share. The front end is in interpret/show/web.
"""
