"""The console in a browser on this machine: a gate, a page, and one process behind each tab.

Of textual-serve this takes what speaks with a console (`AppService`), what hands files over
(`DownloadManager`) and the script of the page. Its server is left aside: it has no authentication, starts
the app through a shell, lists its folders, shows variables in its log, and its page asks a third party for
a font.
"""
