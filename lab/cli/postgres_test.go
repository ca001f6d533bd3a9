package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
	"runtimelab/lab/session"
)

// databaseProbe is a server that asks the database beside it, by PostgreSQL's protocol 3.0, and
// looks at its processes.
const databaseProbe = `
const http = require('http'), net = require('net'), fs = require('fs');
const url = new URL(process.env.DATABASE_URL);
const packet = (type, body) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
};
// query resolves with the first field of the first row, or with the error.
const query = (user, sql) => new Promise((resolve) => {
  const version = Buffer.from([0, 3, 0, 0]);
  const names = Buffer.from(['user', user, 'database', url.pathname.slice(1), '', ''].join('\0'));
  const s = net.connect(url.port, url.hostname, () => s.write(packet('', Buffer.concat([version, names]))));
  let input = Buffer.alloc(0), result = '', asked = false;
  s.on('error', (e) => resolve(e.code));
  s.on('data', (data) => {
    input = Buffer.concat([input, data]);
    while (input.length > 5 && input.length > input.readInt32BE(1)) {
      const type = String.fromCharCode(input[0]), end = 1 + input.readInt32BE(1);
      const body = input.subarray(5, end);
      input = input.subarray(end);
      if (type === 'E') resolve(body.toString().split('\0').find((field) => field[0] === 'M').slice(1));
      if (type === 'D') result = body.subarray(6).toString();
      if (type === 'C') resolve(result);
      if (type === 'Z' && asked) s.end(packet('X', Buffer.alloc(0)));
      if (type === 'Z' && !asked) s.write(packet('Q', Buffer.from(sql + '\0')));
      asked ||= type === 'Z';
    }
  });
});
const status = (pid) => {
  try { return fs.readFileSync('/proc/' + pid + '/status', 'utf8'); } catch { return ''; }
};
const value = (text, name) => text.match(new RegExp('^' + name + ':\\s*(.*)$', 'm'))[1].split('\t')[0];
const processes = () => fs.readdirSync('/proc').map(status).filter((s) => /^Name:\tpostgres$/m.test(s));
const sum = (table, key) =>
  "(SELECT string_agg(t::text, ' ' ORDER BY " + key + ') FROM ' + table + ' AS t)';
const ask = async () => JSON.stringify({
  rows: await query('app', "SELECT concat_ws(' ', (SELECT count(*) FROM products), " +
    '(SELECT count(*) FROM customers), (SELECT count(*) FROM orders), (SELECT count(*) FROM order_lines))'),
  sum: await query('app', 'SELECT md5(' + sum('products', 'id') + ' || ' + sum('customers', 'id') + ' || ' +
    sum('orders', 'id') + ' || ' + sum('order_lines', 'order_id, line') + ')'),
  written: await query('app', 'INSERT INTO orders (customer_id) VALUES (1) RETURNING id'),
  durable: await query('app',
    "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit')"),
  counted: await query('lab',
    "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'INSERT INTO orders%'"),
  changed: await query('lab', 'UPDATE products SET stock = 1'),
  created: await query('app', 'CREATE TABLE t ()'),
  superuser: await query('postgres', 'SELECT 1'),
  processes: processes().map((s) =>
    ['Uid', 'CapEff', 'CapBnd', 'NoNewPrivs'].map((name) => value(s, name)).join(' ')),
});
http.createServer(async (request, response) =>
  response.end(request.url === '/ready' ? '' : await ask())).listen(8080, '127.0.0.1');
`

// databaseAnswer is the answer of databaseProbe.
type databaseAnswer struct {
	Rows      string   `json:"rows"`
	Sum       string   `json:"sum"` // of all rows
	Written   string   `json:"written"`
	Durable   string   `json:"durable"`
	Counted   string   `json:"counted"` // statements of app that lab reads
	Changed   string   `json:"changed"` // by lab
	Created   string   `json:"created"`
	Superuser string   `json:"superuser"`
	Processes []string `json:"processes"`
}

// problems returns what is wrong with a database.
func (a databaseAnswer) problems() (all []string) {
	for _, x := range []struct{ what, got, want string }{
		{"rows", a.Rows, "100000 1000 3000 6000"},
		{"a new order", a.Written, "3001"},
		{"fsync and synchronous_commit", a.Durable, "on on"},
		{"the lab's count of the statement", a.Counted, "1"},
		{"a change by the lab", a.Changed, "permission denied for table products"},
		{"a new table", a.Created, "permission denied for schema public"},
		{"the superuser", a.Superuser, `no pg_hba.conf entry for host "127.0.0.1", user "postgres"`},
	} {
		if !strings.HasPrefix(x.got, x.want) {
			all = append(all, fmt.Sprintf("%s: %q, want %q", x.what, x.got, x.want))
		}
	}
	const isolated = "999 0000000000000000 0000000000000000 1" // user, capabilities, no new privileges
	for _, process := range a.Processes {
		if process != isolated {
			all = append(all, fmt.Sprintf("a process of PostgreSQL has %s, want %s", process, isolated))
		}
	}
	if len(a.Processes) < 5 {
		all = append(all, fmt.Sprintf("only %d processes", len(a.Processes)))
	}
	return all
}

// shippedPostgres returns the service in scenarios/services/postgres.
func shippedPostgres(ctx context.Context, t *testing.T) lab.ServiceDefinition {
	t.Helper()
	library, err := script.Load(ctx, repository, script.ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := library.Service("postgres")
	if err != nil {
		t.Fatal(err)
	}
	return postgres
}

// buildSource builds one image.
func buildSource(ctx context.Context, t *testing.T, source lab.ImageSource) lab.Image {
	t.Helper()
	e, err := connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	built := session.NewBuilder(e, image.Options{Log: t.Output()}).Ensure(ctx, []lab.ImageSource{source})
	if err := built[source.Name].Err; err != nil {
		t.Fatal(err)
	}
	return built[source.Name].Image
}

// officialLike builds an image that is as PostgreSQL's official one: see testdata/official-postgres.
func officialLike(ctx context.Context, t *testing.T, like lab.ImageSource) lab.Image {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("testdata", "official-postgres"))
	if err != nil {
		t.Fatal(err)
	}
	like.Name, like.Title, like.ContextDir = "test/official-postgres", "the test's image", folder
	return buildSource(ctx, t, like)
}

// askDatabase opens a cell with a database and databaseProbe, and returns the probe's answer. It logs
// the time from the start of the database's container until the database is ready.
func askDatabase(
	ctx context.Context, t *testing.T, s *session.Session, database lab.Service,
) (answer databaseAnswer) {
	t.Helper()
	node := application(ctx, t, s, "node")
	node.variant.Name, node.variant.Command = "probe", []string{"node", "-e", databaseProbe}
	node.target = lab.Target{Request: lab.Request{Method: http.MethodGet, Path: "/ready"}, Status: http.StatusOK}
	inCell(ctx, t, s, node, func(c experiment.Cell) {
		answers, err := c.Send(ctx, []lab.Request{{Method: http.MethodGet, Path: "/ask"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(answers[0].Body, &answer); err != nil {
			t.Fatalf("%v in %s %s", err, answers[0].Body, answers[0].Error)
		}
		failEach(t, exposedContainers(ctx, t, s))
		all := c.Services()
		t.Logf("%s was ready at most %v after the start of its container", database.Image.Ref,
			all[1].StartedAt().Sub(all[0].StartedAt()))
	}, database)
	return answer
}

// PostgreSQL is ready with its data before the server starts, on Debian's package and on an image as
// the official one, and is isolated as servers are. That image is also a service as it is.
func TestIntegrationPostgreSQLIsReadyWithItsData(t *testing.T) {
	c := needEngine(t)
	t.Cleanup(func() { removeTestImages(t, c) })
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		postgres := shippedPostgres(ctx, t)
		database := postgres.Service
		database.Image = buildSource(ctx, t, postgres.Source)
		standIn := askDatabase(ctx, t, s, database)
		failEach(t, standIn.problems())

		official := officialLike(ctx, t, postgres.Source)
		expectOfficialAsItIs(ctx, t, s, postgres.Service, official)
		source := postgres.Source
		source.Base = lab.BaseImage{Official: official.Ref}
		source.Name = "test/postgres"
		database.Image = buildSource(ctx, t, source)
		onOfficial := askDatabase(ctx, t, s, database)
		failEach(t, onOfficial.problems())
		if standIn.Sum != onOfficial.Sum {
			t.Errorf("the images have other data: %s and %s", standIn.Sum, onOfficial.Sum)
		}
	})
}

// removeTestImages removes the images that only tests have. The others serve later tests.
func removeTestImages(t *testing.T, c *client.Client) {
	t.Helper()
	for _, tag := range imageTags(t, c) {
		if !strings.HasPrefix(tag, "runtime-lab/test/") {
			continue
		}
		if _, err := c.ImageRemove(context.WithoutCancel(t.Context()), tag,
			client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
			t.Error(err)
		}
	}
}

// expectOfficialAsItIs expects that an image with a VOLUME, USER root and an entrypoint script is a
// service as it is. database is the shipped one.
func expectOfficialAsItIs(
	ctx context.Context, t *testing.T, s *session.Session, database lab.Service, official lab.Image,
) {
	t.Helper()
	database.Image = official
	database.Command = []string{"postgres", "-c", "unix_socket_directories="}
	database.Writable = []lab.WritableFolder{{Path: "/var/lib/postgresql", SizeBytes: 256 << 20}}
	// The entrypoint makes only the database and the role postgres.
	packet := string(database.Ready.Send[4:])
	packet = strings.NewReplacer("app", "postgres", "shop", "postgres").Replace(packet)
	database.Ready = &lab.Readiness{
		Send: append([]byte{0, 0, 0, byte(4 + len(packet))}, packet...), Answer: []byte("R"),
	}
	database.ServerEnv = map[string]string{"DATABASE_URL": "postgres://127.0.0.1:5432/postgres"}
	answer := askDatabase(ctx, t, s, database)
	if answer.Superuser != "1" || len(answer.Processes) == 0 {
		t.Errorf("%+v", answer)
	}
}

// databaseCheckout returns a checkout whose only scenario runs beside PostgreSQL, with one variant.
func databaseCheckout(t *testing.T) string {
	t.Helper()
	root := helloCheckout(t)
	useOneVariant(t, root, "[peak(connections = 16), steady(rate = 500)]")
	edit(t, filepath.Join(root, "scenarios", "json.star"), func(s string) string {
		return strings.Replace(s, "    variants =", "    services = [\"postgres\"],\n    variants =", 1)
	})
	return root
}

// A crash of the database fails its trial, and the run goes on. After a kill -9 of the lab in the next
// trial, the database ends with its cell, and the next lab removes the container.
func TestIntegrationACrashOfADatabaseAndOneOfTheLabLeaveNothing(t *testing.T) {
	c := needEngine(t)
	root := databaseCheckout(t)
	before, volumes := inventory(t, c), volumeNames(t, c)
	run := exec.Command(briefLab, "run", "--root", root, "--profile", "smoke", "--blocks", "2", "json")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	stopKilling := duringATrial(t, c, root, 0, "database", kill(t, c))
	defer stopKilling()
	killed := make(chan struct{})
	stop := duringATrial(t, c, root, 1, "database", func(string) {
		defer close(killed)
		if err := run.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	defer stop()
	var ended *exec.ExitError
	if err := run.Wait(); !errors.As(err, &ended) {
		t.Fatalf("the lab ended with %v before it was killed", err)
	}
	<-killed
	for findPinned(t.Context(), c, "database") != "" { // until the test times out if the database does not end
		time.Sleep(20 * time.Millisecond)
	}
	inTestSession(t, func(context.Context, *session.Session) {}) // the next lab
	recorded := latestRun(t, root)
	expectNothingLeft(t, c, recorded.Info.RunID, volumes)
	expectInventory(t, c, before)
	problem := peakFailedWith("the database postgres exited with code 137")(recorded.Rows[0], nil)
	if problem != "" {
		t.Error(problem)
	}
	if s := recorded.Info.Services["postgres"]; s.Image.ContentSHA256 == "" || s.Role != lab.RoleDatabase {
		t.Errorf("run.json has the service %+v", s)
	}
}
