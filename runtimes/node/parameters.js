// Parameters of a query: whole numbers within bounds.
import { kernels } from './kernels.js';
import { Refusal } from './refusal.js';

/**
 * ASCII digits, without a sign, white space or leading zeros. No bound has ten
 * of them, and so many that they make Infinity would pass any of Ajv's.
 */
export const WHOLE_NUMBER = '^(?:0|[1-9][0-9]{0,8})$';

const wholeNumber = new RegExp(WHOLE_NUMBER);

export const MAX_WAIT_MS = 60_000;

/** The parameters of each kind of request, in the order in which they are checked. */
export const PARAMETERS = {
  callbacks: [{ name: 'n', low: 1, high: 100_000 }],
  category: [{ name: 'id', low: 1, high: 500 }],
  compute: (kernel) => [{ name: 'n', low: 1, high: kernels[kernel].largest }],
  parallel: (kernel) => [
    { name: 'workers', low: 1, high: 64 },
    { name: 'n', low: 1, high: kernels[kernel].largest },
  ],
  product: [{ name: 'id', low: 1, high: 100_000 }],
  stream: [{ name: 'mib', low: 1, high: 64 }],
  wait: [{ name: 'ms', low: 0, high: MAX_WAIT_MS }],
};

/** What is said of a parameter that is missing, malformed or out of range. */
export class WrongParameter extends Refusal {
  constructor({ name, low, high }) {
    super(400, `${name} must be a whole number from ${low} to ${high}`);
  }
}

/**
 * The values of the parameters, by name. Throws WrongParameter for the first
 * that is wrong.
 * @param {(name: string) => string | null | undefined} textOf
 */
export function readParameters(parameters, textOf) {
  const values = {};
  for (const parameter of parameters) {
    const text = textOf(parameter.name);
    const value = wholeNumber.test(text) ? Number(text) : NaN;
    if (!(value >= parameter.low && value <= parameter.high)) throw new WrongParameter(parameter);
    values[parameter.name] = value;
  }
  return values;
}
