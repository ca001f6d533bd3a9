module runtimelab

go 1.26.0
