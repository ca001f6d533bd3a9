// Package message makes parts of messages to people: the nearest valid name, an excerpt of an
// answer, a count with its noun.
package message
