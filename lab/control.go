package lab

// Scenarios and variants that controls use. No script describes them: they run
// on the lab's own responders.
const (
	ReferenceScenario = "reference"         // two amounts of fixed CPU work
	LightReference    = "lab/reference"     // id of the responder that does the smaller amount
	HeavyReference    = "lab/reference-110" // id of the responder that does 1.10 times as much
	ReferenceRatio    = 1.10                // expected ratio of their throughput

	// ServiceTimesPath is the path at which a reference server reports its ServiceTimes: GET returns
	// those so far, DELETE resets them. These requests are not counted.
	ServiceTimesPath = "/service"

	// BurnScenario is CPU work without a runtime, on as many CPUs as the variants get: it shows the
	// highest gain that the machine allows.
	BurnScenario = "native-burn"
	BurnVariant  = "lab/burn"
)
