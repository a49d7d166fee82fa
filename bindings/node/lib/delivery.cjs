'use strict';

// A sender that is an async JavaScript function cannot be a C callback. It runs here, over sender type `none`: the
// library commits the code and hands over the message, the sender delivers, and a certain failure cancels the code.

const { ArgumentError, NotSent, Refused, SendError, UnsupportedError, ConfigError } = require('./errors.cjs');
const { discreet } = require('./values.cjs');

/** Members of a reply that belong to the message. */
const MESSAGE = ['token', 'channel', 'to', 'from', 'subject', 'text', 'code', 'expiresInSeconds', 'locale'];

const SENT = 1;
const NOT_SENT = 2;
const IN_DOUBT = 3;

/** The configuration for a service whose sender is a function, in JSON. */
function withoutSender(config) {
  if (config === null) return '{"sender": {"type": "none"}}';
  let members;
  try {
    members = JSON.parse(config);
  } catch {
    // The library says what is wrong with it.
    return config;
  }
  const { sender, senders } = members ?? {};
  if (senders !== undefined) throw new ConfigError('senders: the configuration has some, and there is a function as well');
  if (sender !== undefined && sender?.type !== 'none' && sender?.type !== 'host') {
    throw new ConfigError('sender: the configuration names one, and there is a function as well');
  }
  if (sender?.type === 'host') {
    // Its other members are the library's to check, and so is what is written twice.
    return config.replace(/("type"\s*:\s*)"host"/, '$1"none"');
  }
  // Added to the text, not to the parsed object, in which a repeated member would go unseen.
  if (sender !== undefined) return config;
  const separator = Object.keys(members ?? {}).length > 0 ? ', ' : '';
  return config.replace(/\}\s*$/, `${separator}"sender": {"type": "none"}}`);
}

/** The member of a request with the address for a channel. */
function memberFor(channel) {
  if (['sms', 'whatsapp', 'viber_service', 'rcs'].includes(channel)) return 'phoneNumber';
  return channel === 'messenger' ? 'messengerId' : channel;
}

/** The channels of the workflow in a configuration, in JSON, that the library has taken. */
function channelsOf(config) {
  const steps = JSON.parse(config ?? '{}').workflow ?? [{ channel: 'messenger' }, { channel: 'sms' }];
  return steps.map((step) => step.channel);
}

/** Refuses what only the library's own senders can promise, and a message without a recipient. */
function checkRequest(request, channels) {
  let members;
  try {
    members = JSON.parse(request);
  } catch {
    return;
  }
  if (members?.idempotencyKey !== undefined) {
    // An answer that is repeated looks like a new one, and its message would go out again.
    throw new UnsupportedError('idempotencyKey: not with a sender that is a function');
  }
  const usable = channels.filter((channel) => !Array.isArray(members?.channels) || members.channels.includes(channel));
  if (usable.length > 0 && !usable.some((channel) => members?.[memberFor(channel)] !== undefined)) {
    throw new ArgumentError('request: has no address for any step of the workflow that it may use');
  }
}

class Delivery {
  #sender;
  #calls;
  #channels;
  /** By token: the end of the line of its calls, the newest create, and how many creates are under way. */
  #tokens = new Map();

  /**
   * @param sender the host's function
   * @param calls `{ create(token, request), resend(token, channel), notSent(token), status(token), cancel(token) }`,
   *   which resolve to replies
   * @param config the configuration, in JSON
   */
  constructor(sender, calls, config) {
    this.#sender = sender;
    this.#calls = calls;
    this.#channels = channelsOf(config);
  }

  async create(token, request) {
    checkRequest(request, this.#channels);
    const state = this.#tokens.get(token) ?? { tail: Promise.resolve(), newest: undefined, users: 0 };
    this.#tokens.set(token, state);
    state.users += 1;
    try {
      return await this.#create(state, token, request);
    } finally {
      state.users -= 1;
      if (state.users === 0) this.#tokens.delete(token);
    }
  }

  async #create(state, token, request) {
    const reply = await inLine(state, async () => {
      state.newest = undefined;
      const answer = await this.#calls.create(token, request);
      state.newest = answer;
      return answer;
    });
    const isOurs = () => state.newest === reply;
    const [outcome, cause, last] = await this.#sendAll(state, token, reply, isOurs);
    if (outcome === NOT_SENT) {
      await this.#cancel(state, token, reply, cause);
      throw new SendError('the sender did not take the message: the code is cancelled', { cause });
    }
    const answer = sent(outcome, last, cause);
    if (!isOurs() || (await this.#isCancelled(token))) throw cancelled();
    return answer;
  }

  async resend(token, channel) {
    const reply = await this.#calls.resend(token, channel);
    const line = { tail: Promise.resolve() };
    const [outcome, cause, last] = await this.#sendAll(line, token, reply, () => true);
    if (outcome === NOT_SENT) throw new SendError('the sender did not take the message', { cause });
    return sent(outcome, last, cause);
  }

  /** Sends, and where a message certainly did not leave, that of the next step: `[outcome, cause, reply]`. */
  async #sendAll(state, token, first, isOurs) {
    let reply = first;
    for (;;) {
      const [outcome, cause] = await this.#send(reply);
      if (outcome !== NOT_SENT) return [outcome, cause, reply];
      const next = await inLine(state, async () => (isOurs() ? this.#next(token) : undefined));
      if (next === undefined) return [NOT_SENT, cause, reply];
      reply = next;
    }
  }

  /** The message of the next step, if there is one and the code is still live. */
  async #next(token) {
    try {
      return await this.#calls.notSent(token);
    } catch (error) {
      if (error instanceof Refused || error instanceof SendError) return undefined;
      throw error;
    }
  }

  /** Whether the code was called off while its message was being sent. A code that was used meanwhile was good. */
  async #isCancelled(token) {
    try {
      return (await this.#calls.status(token)).state === 'cancelled';
    } catch (error) {
      if (error instanceof Refused) return true;
      throw error;
    }
  }

  async #send(reply) {
    const members = MESSAGE.filter((name) => name in reply).map((name) => [name, reply[name]]);
    const message = discreet(Object.fromEntries(members));
    try {
      const answer = await this.#sender(message);
      if (answer === undefined || answer === true) return [SENT];
      return [answer === false ? NOT_SENT : IN_DOUBT];
    } catch (error) {
      return [error instanceof NotSent ? NOT_SENT : IN_DOUBT, error];
    }
  }

  /** Cancels the code of `reply`, and not that of a create on the same token which came after it. */
  #cancel(state, token, reply, cause) {
    return inLine(state, async () => {
      if (state.newest !== reply) {
        throw cancelled(cause);
      }
      try {
        await this.#calls.cancel(token);
      } catch (error) {
        // Cancelled, used or gone already is as good; anything else leaves a code that nobody received.
        if (error instanceof Refused) return;
        throw new SendError(`the sender did not take the message, and its code could not be cancelled: ${error.message}`, {
          cause: error,
        });
      }
    });
  }
}

function cancelled(cause) {
  return new Refused('The code was cancelled', { result: 'CANCELLED', cause });
}

/** Runs `step` after the steps on the same token that came before: a cancel must not meet a newer create's code. */
function inLine(state, step) {
  const result = state.tail.then(step);
  state.tail = result.catch(() => {});
  return result;
}

/** What a create or resend resolves to: the message is the sender's alone. */
function sent(outcome, reply, cause) {
  if (outcome === IN_DOUBT) {
    throw new SendError('the sender failed: the message may have gone out', { result: 'E_IN_DOUBT', cause });
  }
  const { expiresInSeconds, attemptsLeft, delivery } = reply;
  return { expiresInSeconds, attemptsLeft, delivery };
}

module.exports = { Delivery, withoutSender };
