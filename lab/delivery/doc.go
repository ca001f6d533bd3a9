// Package delivery checks from inside a cell whether a server delivers messages to the subscribers of
// rooms as a workload says. Requests and their answers cannot show that: the check subscribes over each
// transport, publishes, and compares what every subscriber saw with what was published.
//
// It has four parts. Their rooms are new, so the check can be repeated with one server only under another
// prefix of rooms:
//
//	deliveries  messages in two rooms, by requests and by frames, with subscribers from the start and late
//	stalls      subscribers that do not read, and whose backlog a server must hold
//	bounds      subscribers that do not read, and whose connection a server must close
//	frames      frames that are no message
package delivery
