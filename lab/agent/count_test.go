package agent

import (
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"runtimelab/lab"
)

// serveRow listens on a port of loopback, answers one query with a row of these columns, and sends the
// startup packet and the query that it got.
func serveRow(t *testing.T, names, values []string) (port int, asked <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	got := make(chan string, 2)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		backend := pgproto3.NewBackend(conn, conn)
		startup, err := backend.ReceiveStartupMessage()
		if err != nil {
			t.Error(err)
			return
		}
		parameters := startup.(*pgproto3.StartupMessage).Parameters
		got <- parameters["user"] + "@" + parameters["database"]
		backend.Send(&pgproto3.AuthenticationOk{})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := backend.Flush(); err != nil {
			t.Error(err)
		}
		message, err := backend.Receive()
		if err != nil {
			t.Error(err)
			return
		}
		got <- message.(*pgproto3.Query).String
		fields := &pgproto3.RowDescription{}
		row := &pgproto3.DataRow{}
		for i, name := range names {
			fields.Fields = append(fields.Fields, pgproto3.FieldDescription{Name: []byte(name)})
			row.Values = append(row.Values, []byte(values[i]))
		}
		backend.Send(fields)
		backend.Send(row)
		backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := backend.Flush(); err != nil {
			t.Error(err)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port, got
}

func TestCountAsksTheDatabase(t *testing.T) {
	port, asked := serveRow(t, []string{"rows", "statements", "stored", "lost", "kept"},
		[]string{"40", "2", "7", "0", "-3"})
	query := lab.CountQuery{User: "lab", Database: "shop", SQL: "SELECT 1"}
	got, err := Machine{}.Count(t.Context(), port, query)
	want := lab.DatabaseCounts{Statements: 2, Rows: 40, Stored: 7, Unbalanced: map[string]int64{"kept": -3}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if who, what := <-asked, <-asked; who != "lab@shop" || what != "SELECT 1" {
		t.Errorf("asked %q as %q", what, who)
	}
}

func TestCountSaysWhatIsWrongWithAnAnswer(t *testing.T) {
	for want, row := range map[string][2][]string{
		`no column "stored"`:      {{"rows", "statements"}, {"1", "2"}},
		`the column "x" has "1.5`: {{"rows", "statements", "stored", "x"}, {"1", "2", "3", "1.5"}},
	} {
		port, _ := serveRow(t, row[0], row[1])
		_, err := Machine{}.Count(t.Context(), port, lab.CountQuery{User: "lab", Database: "shop", SQL: "SELECT 1"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
