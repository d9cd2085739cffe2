"""The commands; each ``main(argv)`` returns an exit code: 0 done, 2 the input is wrong."""
