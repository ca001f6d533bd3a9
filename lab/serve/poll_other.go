//go:build !linux

package serve

import (
	"context"
	"errors"
	"net"
)

func (*pollServer) serve(context.Context, *net.TCPListener) error {
	return errors.New("this responder needs epoll: run it on Linux")
}
