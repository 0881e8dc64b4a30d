"""The test bed: real servers for the tests, from binaries that come with the test dependencies."""
