package cli

import (
	"runtimelab/lab/calibrate"
	"runtimelab/lab/image"
	"runtimelab/lab/session"
)

type calibrateCommand struct {
	Brief     bool   `help:"Measure only the generator's ceiling and the canaries (seconds)."`
	Generator string `help:"${calibrate_generator_help}" env:"LAB_GENERATOR" placeholder:"NAME"`
	JSON      bool   `help:"Print JSON." name:"json"`
}

// Run calibrates this machine, stores the result and prints it.
func (c *calibrateCommand) Run(a *app) error {
	generator, err := parseGenerator(c.Generator)
	if err != nil {
		return err
	}
	return session.Run(a.ctx, a.sessionOptions(image.Auto), func(s *session.Session) error {
		calibration, err := s.Calibrate(a.ctx, generator, c.Brief)
		if err != nil {
			return err
		}
		if c.JSON {
			err = a.printJSON(calibration)
		} else {
			err = calibrate.WriteText(a.Out, calibration)
		}
		if err != nil {
			return err
		}
		for _, doubt := range calibration.Doubts {
			a.messagef("doubt: %s", doubt)
		}
		return nil
	})
}
