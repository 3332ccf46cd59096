// Small programs of the test cluster that use nothing but the standard library.
module github.com/tierwall/tierwall/test/cluster/binaries/helpers

go 1.26.8
