package lab

// SubscriptionRule says where messages are published to rooms and delivered to their subscribers, and what
// a check of a server publishes. "{room}" in a path stands for the name of a room.
type SubscriptionRule struct {
	Publish string `json:"publish"` // POST publishes the message of its body
	Events  string `json:"events"`  // GET subscribes by server-sent events
	Socket  string `json:"socket"`  // GET subscribes by WebSocket; a text frame publishes too
	// Messages is the number of messages that the check publishes to see whether all are delivered, and
	// MessageBytes the size of each.
	Messages     int `json:"messages"`
	MessageBytes int `json:"message_bytes"`
	// MaxMessageBytes is the size of the largest message that is accepted.
	MaxMessageBytes int `json:"message_max_bytes"`
	// A server holds MinHeldBytes for a subscriber that does not read, and never more than MaxHeldBytes,
	// besides what the kernel holds: it closes the connection first.
	MinHeldBytes int `json:"held_min_bytes"`
	MaxHeldBytes int `json:"held_max_bytes"`
}

// DeliveryFault is one way in which a server breaks a SubscriptionRule.
type DeliveryFault struct {
	Kind DeliveryFaultKind `json:"kind"`
	Text string            `json:"text"` // what was seen, and where
}

func (f DeliveryFault) String() string { return string(f.Kind) + ": " + f.Text }

// DeliveryFaultKind names a kind of DeliveryFault.
type DeliveryFaultKind string

const (
	DeliveryRefused    DeliveryFaultKind = "refused"     // a subscription or a message was not accepted
	DeliveryExtension  DeliveryFaultKind = "extension"   // an extension or a compression was negotiated
	DeliveryMalformed  DeliveryFaultKind = "malformed"   // what came is no message with a number
	DeliveryLost       DeliveryFaultKind = "lost"        // a message did not come to a subscriber
	DeliveryDoubled    DeliveryFaultKind = "doubled"     // a message came twice
	DeliveryReordered  DeliveryFaultKind = "reordered"   // a number decreased at a subscriber
	DeliveryGap        DeliveryFaultKind = "gap"         // no message of the room has a number
	DeliveryDiffers    DeliveryFaultKind = "differs"     // subscribers saw other messages by one number
	DeliveryNumber     DeliveryFaultKind = "number"      // a publish was answered with another number
	DeliveryLate       DeliveryFaultKind = "late number" // a later publish has the lower number
	DeliveryForeign    DeliveryFaultKind = "foreign"     // a message that was not published to the room
	DeliveryEarly      DeliveryFaultKind = "early"       // a message from before the subscription
	DeliveryUnbounded  DeliveryFaultKind = "unbounded"   // too much was held for a slow subscriber
	DeliveryImpatient  DeliveryFaultKind = "impatient"   // a slow subscriber was closed too early
	DeliveryClosed     DeliveryFaultKind = "closed"      // a subscriber that reads was closed
	DeliveryNotRefused DeliveryFaultKind = "not refused" // a frame that is no message was accepted
)
