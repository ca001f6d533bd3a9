package agent

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"runtimelab/lab"
)

// countTimeout bounds the time of one query for counts. It reads tables whole.
const countTimeout = 10 * time.Second

// Count asks a database on a port of the cell what it has counted so far.
func (Machine) Count(ctx context.Context, port int, q lab.CountQuery) (counts lab.DatabaseCounts, err error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	config, err := pgconn.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d sslmode=disable", port))
	if err != nil {
		return counts, fmt.Errorf("connecting to the database: %w", err)
	}
	config.User, config.Database = q.User, q.Database
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return counts, fmt.Errorf("connecting to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	results, err := conn.Exec(ctx, q.SQL).ReadAll()
	if err != nil {
		return counts, fmt.Errorf("asking the database for its counts: %w", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return counts, fmt.Errorf("asking the database for its counts: the query does not return one row")
	}
	row := map[string]string{}
	for i, field := range results[0].FieldDescriptions {
		row[field.Name] = string(results[0].Rows[0][i])
	}
	return countsOf(row)
}

// countsOf returns the counts of a row, by the names of its columns. Columns that are no counts are
// what the books must not have: they are kept if they are not 0.
func countsOf(row map[string]string) (counts lab.DatabaseCounts, err error) {
	known := map[string]*int64{"statements": &counts.Statements, "rows": &counts.Rows, "stored": &counts.Stored}
	for name := range known {
		if _, given := row[name]; !given {
			return counts, fmt.Errorf("asking the database for its counts: the query has no column %q", name)
		}
	}
	for name, text := range row {
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return counts, fmt.Errorf("asking the database for its counts: the column %q has %q, want a whole number",
				name, text)
		}
		switch count := known[name]; {
		case count != nil:
			*count = value
		case value != 0:
			if counts.Unbalanced == nil {
				counts.Unbalanced = map[string]int64{}
			}
			counts.Unbalanced[name] = value
		}
	}
	return counts, nil
}
