/**
 * An answer that is an error and no fault of this program: thrown where it is
 * found, and sent as {"error": message} by the error handler of each variant.
 */
export class Refusal extends Error {
  /** @param {number} statusCode named as Express and Fastify look for it */
  constructor(statusCode, message, options) {
    super(message, options);
    this.statusCode = statusCode;
  }
}
