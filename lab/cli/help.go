package cli

import (
	"github.com/alecthomas/kong"

	"runtimelab/lab"
)

// helpTexts are the help texts that do not fit into the struct tag of their flag, by the
// name that the tag has for them: help:"${root_help}".
var helpTexts = kong.Vars{
	"root_help": "Folder with runtimes/, scenarios/ and results/. " +
		"Default: the nearest one, from the current folder upwards.",

	"runtimes_help": "Add the runtimes of this folder, which has a folder for each, as runtimes/. Repeatable.",

	"run_help": "A run: its id under results/, or its folder. Default: the newest run.",

	"scenarios_help": "Scenarios to run completely, by name or by the path of their script. " +
		"Default: what the hypotheses of the profile's scenarios need.",
	"profile_help":   "How much time to spend: smoke, quick, standard or full. Default: quick.",
	"blocks_help":    "Number of blocks, instead of the profile's. Verdicts say how many they need.",
	"all_help":       "Run every scenario completely, those of longer profiles too.",
	"seed_help":      "Seed of trial order, arrivals and random inputs. Default: random, and recorded.",
	"parameter_help": "Set a parameter of a scenario: -p rate=200. Repeatable.",
	"generator_help": "What sends the requests of every trial: loop (the lab's event loop) or vegeta " +
		"(Vegeta's Attacker). Default: " + string(lab.DefaultGenerator) + "; --like and --resume keep the run's.",
	"calibrate_generator_help": "The generator to measure: loop or vegeta. " +
		"Default: " + string(lab.DefaultGenerator) + ".",
	"like_help": "Repeat the plan of an earlier run: its id under results/, or its folder.",

	"resume_help": "Continue a run that was interrupted, killed or failed, with its plan, seed and images.",
	"raw_help": "Also keep every hit in raw/, for vegeta report and vegeta plot: " +
		"a gigabyte or more for every five minutes.",
	"bases_help": "Base images: official images, stand-ins from Debian packages, or auto.",

	"list_names_help": "Scenarios to list, by name or by the path of their script, with their variants. " +
		"Default: all scenarios, and all variants.",
	"new_runtime_name_help": "Its name: lower-case letters, digits and -, beginning with a letter. " +
		"Or the path of its folder.",
	"new_runtime_like_help": "Copy the folder of this runtime.",
	"new_runtime_image_help": "Use this image as it is. " +
		"Without --like and --image, the image is built from a Dockerfile in the folder.",
	"new_scenario_name_help": "Its name: lower-case letters, digits and -, beginning with a letter. " +
		"Or the path of its script.",
	"new_scenario_for_help": "Measure these variants, and compare them with the first one. " +
		"Default: those of the worker model single.",
	"check_files_help": "Scripts to check, which may lie anywhere: of scenarios, or folders of runtimes. " +
		"Default: those of the checkout and of --runtimes.",

	"report_html_help": "Print a page with charts, as results/RUN/report.html: lab report --html > report.html",
	"report_svg_help":  "Write each chart to a file of its own in DIR.",

	"compare_old_help": "The run to compare with: an id under results/, a folder, or a trials.csv, " +
		"also as other programs save it. label=RUN gives it a name.",
	"compare_metric_help": "Compare this column of trials.csv in every phase that has it. Repeatable. " +
		"Default: the main metrics of each phase.",
	"compare_threshold_help": "The smallest difference that matters: " +
		"with 0.05, ratios from 0.95 to 1/0.95 do not.",
	"compare_ignore_help": "Compare even if these differ (identity: are unknown): " +
		"identity, host, image, script, load, generator, reference.",

	"contract_variants_help": "Variants to check, such as node/express. Default: all, or those of --scenario.",
	"contract_scenario_help": "Also send the requests of a scenario, given by its name or the path of its " +
		"script, as a run does before it measures. Repeatable.",

	"engine_up_help": "Use the engine that answers. If none does, start or install one " +
		"(as root, on Debian or Ubuntu).",

	"export_benchfmt_help": "The Go benchmark format, for benchstat: a line for each valid row of trials.csv.",
	"export_twins_help":    "The values of A/A controls in each block, for lab simulate.",
	"export_runs_help":     "Runs: their ids under results/, or their folders. Default: the newest run.",

	"simulate_file_help": "CSV with the header pair,block,a,b: values of arms that do not differ. " +
		"Default: the recording that comes with the lab.",
}
