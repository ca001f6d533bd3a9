package record

import "runtimelab/lab"

// olderPeers are the peers of plans that do not record any: labs of that time knew these runtimes by
// name. Without them, a run's verdicts would differ from those that its lab gave.
var olderPeers = map[string]lab.Peers{
	"python-freethreaded": {
		Runtimes: []string{"python-gil-twin"}, Reason: "is built from source with its own flags",
	},
	"python-gil-twin": {
		Runtimes: []string{"python-freethreaded"}, Reason: "is built from source with its own flags",
	},
}
