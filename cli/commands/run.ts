import { defineCommand } from '../command.ts';
import { badFlag } from '../flags.ts';
import { createRunFolder, newRunId } from '../job/job-folder.ts';
import { nearest } from '../nearest.ts';
import { note, safeJson, visible, write } from '../output.ts';
import { PluginModules } from '../plugins/modules.ts';
import { headline, planColumns, planNotes, planRow, whereText } from '../recipe/plan-text.ts';
import { locateRecipe } from '../recipe/recipe-location.ts';
import { readRecipe, type Recipe, type Step } from '../recipe/recipe.ts';
import { runRecipe } from '../recipe/recipe-run.ts';
import { lackingOf, refuseLacking } from '../recipe/requirements.ts';
import { runSummaryText } from '../recipe/run-summary.ts';
import { planSteps, type StepPlan } from '../recipe/step-plan.ts';
import { Variables } from '../recipe/variables.ts';
import { SourceFiles } from '../settings/source-file.ts';
import { writeTable } from '../table.ts';

const NOT_RUN = 125;

export default defineCommand({
  description: 'Runs the steps of a recipe one after the other, each in a guest or on the host, and keeps a record of the run in .mentu/runs/.',
  flags: {
    from: { type: 'string', value: 'STEP', description: 'begin with this step; those before it are skipped' },
    var: { type: 'string', value: 'NAME=VALUE', multiple: true, description: 'the value of ${NAME} in the recipe' },
    'dry-run': { type: 'boolean', description: 'print what would run where, and run nothing' },
    json: { type: 'boolean', description: 'print the record of the run as one line of JSON on stderr; with --dry-run, the plan on stdout' },
  },
  positionals: { usage: 'NAME|FILE', min: 1, max: 1 },
  notes: `A name is looked for in .mentu/recipes/ of this directory, then in ~/.mentu/recipes/ ($MENTU_HOME/recipes/); what holds a / or ends in .json is a file.
A recipe's steps may run on the host, with all that you may do there: run those that you would run as scripts.

The exit code is 0, or that of the step that ended the run; 125 where the recipe cannot be run.`,
  failure: { usage: NOT_RUN, error: NOT_RUN },
  ownsOutput: true,
  async run({ flags, positionals }) {
    const cwd = process.cwd();
    const variables = Variables.of(flags.var);
    const location = locateRecipe(positionals[0]!, cwd);
    const recipe = readRecipe(new SourceFiles(cwd), location.path, location.name, variables);
    variables.requireUse();
    const steps = recipe.steps.slice(firstStep(recipe, flags.from));
    const lacking = lackingOf(recipe, cwd);
    if (location.hides !== null) note(`mentu: ${visible(location.shown)} stands before ${visible(location.hides)}.`);
    if (!flags['dry-run']) refuseLacking(recipe, lacking);
    const modules = new PluginModules();
    try {
      const run = newRunId();
      const plans = await planSteps(recipe, steps, { cwd, modules, run });
      if (flags['dry-run']) {
        await tellPlan(recipe, plans, location.shown, flags.json);
        refuseLacking(recipe, lacking);
        return 0;
      }
      if (!flags.json) note(`mentu: ${headline(recipe, location.shown, plans)}`);
      for (const line of planNotes(plans)) note(line);
      const announce = (plan: StepPlan, index: number): void => {
        if (!flags.json) note(`mentu: step ${index + 1} of ${recipe.steps.length}, ${visible(plan.step.name)}: ${whereText(plan)}${plan.settings.interceptor ? ', captured' : ''}`);
      };
      const record = await runRecipe(recipe, plans, createRunFolder(cwd, run), { modules, announce });
      if (flags.json) note(safeJson(record));
      else process.stderr.write(runSummaryText(record, cwd));
      return record.exit_code ?? NOT_RUN;
    } finally {
      modules.close();
    }
  },
});

/** The index of the step that `--from` names. */
function firstStep({ steps }: Recipe, from: string | undefined): number {
  if (from === undefined) return 0;
  const index = steps.findIndex(({ name }) => name === from);
  if (index >= 0) return index;
  const names = steps.map(({ name }: Step) => name);
  const near = nearest(from, names);
  throw badFlag('--from', `takes a step of the recipe (${names.join(', ')}), and "${from}" was given${near === undefined ? '' : `; did you mean "${near}"?`}`);
}

async function tellPlan(recipe: Recipe, plans: readonly StepPlan[], shown: string, asJson: boolean): Promise<void> {
  const rows = recipe.steps.map((step) => planRow(step, plans.find((plan) => plan.step === step)));
  if (asJson) {
    await write(`${safeJson({ recipe: recipe.name, file: recipe.document.path, workspace: recipe.workspace, steps: rows, notes: planNotes(plans) })}\n`);
    return;
  }
  await write(`${headline(recipe, shown, plans)}\n`);
  await writeTable(planColumns, rows);
  for (const line of planNotes(plans)) note(line);
}
