package lab

import "slices"

// Role names what a service does in a trial. It is a row of roles. Code asks for the traits of a role
// and does not compare roles.
type Role string

const (
	RoleGenerator Role = "generator"
	RoleServer    Role = "server"
	RoleUpstream  Role = "upstream"
	RoleDatabase  Role = "database"
	RoleBalancer  Role = "balancer"
	RoleBroker    Role = "broker"
	RoleIdleLoop  Role = "idle-loop"
)

// RoleTraits is a row of the table of roles: all that differs between them. The zero value is that of
// an unknown role.
type RoleTraits struct {
	Role  Role
	About string // what such a service does, in one line
	// Failure is what the row of a trial is worth whose service of this role ends or fails: Failed, an
	// outcome, if the server can be the cause; Disturbed, to be repeated, if it cannot.
	Failure Validity
	// Measured says that the row's figures are about such a service: it gets the load.
	Measured bool
	// MaxCPU is the share of its CPUs from which the service's own queueing may be in the server's
	// latency; 0: it limits nothing.
	MaxCPU float64
	// Idle says that such a service is a part of the generator, whose CPU time counts as idle. It gives
	// way to everything else on its CPUs, and its end does not end the trial.
	Idle bool
	// InFolder says that a folder in scenarios/services can define a service of the role.
	InFolder bool
}

// roles is the table of roles, in the order of documents and messages.
var roles = []RoleTraits{
	{
		Role:    RoleGenerator,
		About:   "sends the load and measures; it owns the cell",
		Failure: Disturbed,
	},
	{
		Role:    RoleServer,
		About:   "what is measured",
		Failure: Failed, Measured: true,
	},
	{
		Role:    RoleUpstream,
		About:   "one of the lab's responders, which a server calls while it answers",
		Failure: Disturbed,
		MaxCPU:  0.50,
	},
	{
		Role:     RoleDatabase,
		About:    "keeps the data that a server reads and writes",
		Failure:  Failed,
		MaxCPU:   0.50,
		InFolder: true,
	},
	{
		Role:     RoleBalancer,
		About:    "distributes requests among the replicas of a server",
		Failure:  Failed,
		MaxCPU:   0.50,
		InFolder: true,
	},
	{
		Role:     RoleBroker,
		About:    "carries messages between the replicas of a server",
		Failure:  Failed,
		MaxCPU:   0.50,
		InFolder: true,
	},
	{
		Role:    RoleIdleLoop,
		About:   "keeps the CPUs of a generator that waits in the kernel from halting",
		Failure: Disturbed, Idle: true,
	},
}

// Roles returns the table of roles.
func Roles() []RoleTraits { return slices.Clone(roles) }

// Traits returns the role's row of the table.
func (r Role) Traits() RoleTraits {
	for _, t := range roles {
		if t.Role == r {
			return t
		}
	}
	return RoleTraits{}
}
