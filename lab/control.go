package lab

// What controls are measured on: scenarios that no file describes, on the lab's
// own responders.
const (
	ReferenceScenario = "reference"         // fixed CPU work, less and more of it
	LightReference    = "lab/reference"     // the id of the responder that does less
	HeavyReference    = "lab/reference-110" // 1.10 times the work
	ReferenceRatio    = 1.10                // of their throughput

	// ServiceTimesPath is where a reference server tells its ServiceTimes so far, on
	// GET; DELETE forgets them. Asking is no service.
	ServiceTimesPath = "/service"

	// BurnScenario is CPU work without a runtime on as many CPUs as others are
	// given: what these can gain at most.
	BurnScenario = "native-burn"
	BurnVariant  = "lab/burn"
)
