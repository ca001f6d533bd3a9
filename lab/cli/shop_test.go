package cli

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// faultyShops are changes to node/single's application, as modules that Node runs before it, and what
// the lab says of each.
var faultyShops = []struct{ name, change, says string }{
	{
		"escapes-nothing", `
const compile = ejs.compile;
ejs.compile = (text, options) => compile(text, { ...options, escape: String });`,
		"shop-page-escaped",
	},
	{"refuses", `
after(/FOR UPDATE/, (result) => result.rows.forEach((row) => { row.stock = 0; }));`, "shop-order: "},
	{
		"caches", `
const kept = new Map();
around(/WHERE id = \$1/, (key, ask) => kept.get(key) ?? kept.set(key, ask()).get(key));`,
		"shop-product-after: ",
	},
	{
		"commits-each", `
around(/^(BEGIN|COMMIT|ROLLBACK)$/, () => Promise.resolve());`,
		"the books of the database postgres do not balance: ",
	},
	{
		"asks-twenty", `
around(/category_id = \$1/, async (key, ask, client) => {
  const result = await ask();
  for (const { id } of result.rows) await client.query('SELECT name FROM products WHERE id = $1', [id]);
  return result;
});`,
		"statements to the tables of the database postgres for ",
	},
}

// faultTools lets a change work on the results of queries.
const faultTools = `
import { createRequire } from 'node:module';
const require = createRequire('/app/server.js');
const pg = require('pg');
const ejs = (await import('file:///app/node_modules/ejs/lib/esm/ejs.js')).default;
function around(pattern, answer) {
  const query = pg.Client.prototype.query;
  pg.Client.prototype.query = function (config, values, callback) {
    const text = config.text ?? config;
    if (!pattern.test(text)) return query.call(this, config, values, callback);
    const given = config.values ?? (Array.isArray(values) ? values : []);
    const ask = () => query.call(this, { text, values: given });
    const done = [values, callback].find((argument) => typeof argument === 'function');
    const answered = answer(text + config.values, ask, this);
    if (!done) return answered;
    answered.then((result) => done(null, result), done);
  };
}
function after(pattern, change) {
  around(pattern, async (key, ask) => {
    const result = await ask();
    change(result);
    return result;
  });
}
`

// faultyCheckout returns a checkout whose runtime faulty has a variant for each of faultyShops, and
// whose scenario runs on those that answer as they should.
func faultyCheckout(t *testing.T) string {
	t.Helper()
	root := checkout(t)
	var text strings.Builder
	text.WriteString(`runtime(
    about = "node/single with a fault",
    base = base(official = "node:24-trixie-slim", suite = "forky", packages = ["nodejs", "npm"],
        ca_env = ["NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE"]),
    context = "node",
    offers = ["hello", "shop"],
)
`)
	for _, f := range faultyShops {
		module := base64.StdEncoding.EncodeToString([]byte(faultTools + f.change))
		fmt.Fprintf(&text, `variant(
    name = %q, model = "single", about = "a fault",
    command = ["node", "--import", "data:text/javascript;base64,%s", "server.js"],
    env = {"WORKER_MODEL": "single"},
)
`, f.name, module)
	}
	folder := filepath.Join(root, "runtimes", "faulty")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "runtime.star"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	scenario, err := os.ReadFile(filepath.Join(repository, "scenarios", "shop.star"))
	if err != nil {
		t.Fatal(err)
	}
	begin, _, _ := strings.Cut(string(scenario), "    profile = ")
	begin = strings.Replace(begin, "weights = [30, 30, 30, 10]", "weights = [1, 1, 1, 1]", 1)
	begin += `    services = ["postgres"],
    requests = pool(100, visit),
    phases = [warmup(connections = 8), steady(rate = 40, connections = 16)],
    variants = ["node/single", "faulty/commits-each", "faulty/asks-twenty"],
)
`
	file := filepath.Join(root, "scenarios", "shop.star")
	if err := os.WriteFile(file, []byte(begin), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// A server that answers wrongly is refused by the contract, which names the check; one that answers
// rightly and works otherwise has failed rows, which say how.
func TestIntegrationFaultyShopsAreFound(t *testing.T) {
	needEngine(t)
	root := faultyCheckout(t)
	args := []string{"contract", "--root", root, "node/single"}
	for _, f := range faultyShops {
		args = append(args, "faulty/"+f.name)
	}
	code, stdout, stderr := labRun(t.Context(), args...)
	if code != fault.ExitFailed {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	why := map[string]string{}
	for _, line := range strings.Split(stdout, "\n") {
		if id, text, found := strings.Cut(line, " "); found && strings.Contains(id, "/") {
			why[id] = text
		}
	}
	byLoad := map[string]string{"node/single": ""}
	for _, f := range faultyShops {
		switch id := "faulty/" + f.name; {
		case strings.HasPrefix(f.says, "shop-"):
			if !strings.Contains(why[id], f.says) {
				t.Errorf("%s: the contract says %q, want %q", id, why[id], f.says)
			}
		default:
			byLoad[id] = f.says
		}
	}
	code, _, stderr = labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "shop")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, row := range latestRun(t, root).Rows {
		want, known := byLoad[row.Text("variant")]
		if !known {
			continue
		}
		delete(byLoad, row.Text("variant"))
		reason := row.Text("validity_reason")
		failed := row.Text("validity") == string(lab.Failed)
		if failed != (want != "") || !strings.Contains(reason, want) {
			t.Errorf("%s: %s (%s), want %q", row.Text("variant"), row.Text("validity"), reason, want)
		}
	}
	if len(byLoad) > 0 {
		t.Errorf("no row of %v", byLoad)
	}
}
