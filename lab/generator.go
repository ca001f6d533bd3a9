package lab

// Generator names what sends the hits of an attack.
type Generator string

const (
	// EventLoop is the lab's own event loop: one thread for each CPU of the generator.
	EventLoop Generator = "loop"
	// Vegeta is Vegeta's Attacker: one goroutine for each connection.
	Vegeta Generator = "vegeta"
)
