# frozen_string_literal: true

require 'fiddle'
require 'json'

# One-time passwords inside your own process: create a short code, have it delivered, verify it exactly once.
#
# This calls libotp.so.0, or the library that the environment variable LIBOTP_LIBRARY names, through Fiddle. The options
# of a configuration, the members of requests and replies, and the results of each call are those of otp.h.
#
#   otp = Otp::Service.new('repository' => 'sqlite:otp.db')
#   otp.create('session 1', 'phoneNumber' => '+39 333 123 4567')
#   puts 'Welcome' if otp.verify('session 1', gets).ok?
module Otp
  # What a call came to. OK is the only yes; a positive number is a refusal, a negative one a failure.
  OK, NOT_VALID, CHECKED, EXPIRED, LOCKED, RATE_LIMITED, CANCELLED, REFUSED, UNKNOWN = *0..8
  E_ARGUMENT, E_CONFIG, E_STORE, E_BUSY, E_SEND, E_IN_DOUBT, E_SIGNATURE, E_UNSIGNED, E_RANDOM, E_UNSUPPORTED,
    E_INTERNAL = *-1.step(-11, -1)

  # What a send callback returns: sent; certainly not sent, so that the next step of the workflow is tried.
  SENT = 1
  NOT_SENT = 2

  # Log levels.
  LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG = *1..4

  # The library as C has it.
  module Library # :nodoc:
    REPLY_SIZE = 4096
    ABI_VERSION = 0
    POINTER = Fiddle::TYPE_VOIDP
    SIZE = Fiddle::TYPE_SIZE_T
    INT = Fiddle::TYPE_INT
    LONG = Fiddle::TYPE_LONG_LONG
    HANDLE = Fiddle::TYPE_INTPTR_T

    # The functions that take a service and texts, with the number of texts, and fill a reply.
    CALLS = {
      create: 2, resend: 1, resend_channel: 2, not_sent: 1, verify_context: 3, cancel: 1, status: 1, report: 1, run_due: 0,
      metrics: 0, copy: 2, subject: 1, unlock: 1, erase: 1
    }.transform_values { |texts| [INT, HANDLE, *[POINTER] * texts, POINTER, SIZE] }

    # The result and the parameters of each function.
    FUNCTIONS = CALLS.merge(
      abi_version: [INT],
      open: [INT, POINTER, POINTER, POINTER, SIZE],
      close: [Fiddle::TYPE_VOID, HANDLE],
      webhook: [INT, HANDLE, POINTER, POINTER, SIZE, POINTER, SIZE],
      on_send: [INT, HANDLE, POINTER, POINTER, POINTER],
      on_log: [INT, HANDLE, INT, POINTER, POINTER, POINTER],
      on_clock: [INT, HANDLE, POINTER, POINTER, POINTER],
      result_name: [POINTER, INT],
      result_message: [POINTER, INT],
      result_http_status: [INT, INT],
      reply_text: [SIZE, POINTER, POINTER, POINTER, SIZE]
    )

    path = ENV.fetch('LIBOTP_LIBRARY', '')
    library = Fiddle.dlopen(path.empty? ? 'libotp.so.0' : path)
    # Fiddle lets other threads of Ruby run while C does.
    LOADED = FUNCTIONS.to_h do |name, (result, *parameters)|
      [name, Fiddle::Function.new(library["otp_#{name}"], parameters, result)]
    end.freeze

    def self.call(name, *arguments) = LOADED.fetch(name).call(*arguments)

    # A text of C, which is UTF-8 whatever the locale is.
    def self.read(pointer) = pointer.to_s.force_encoding(Encoding::UTF_8)

    # Memory that Ruby frees, and does not move.
    def self.memory(size) = Fiddle::Pointer.malloc(size, Fiddle::RUBY_FREE)

    raise LoadError, 'libotp has another interface than otp.rb' unless call(:abi_version) == ABI_VERSION
  end

  # The name of a result, such as "OTP_NOT_VALID", for logs.
  def self.result_name(result) = Library.read(Library.call(:result_name, result))

  # One sentence about a result; of a refusal the one to show the user.
  def self.result_message(result) = Library.read(Library.call(:result_message, result))

  # The HTTP status with which a web service answers a result: 200 for OK alone.
  def self.http_status(result) = Library.call(:result_http_status, result)

  # A message for the send callback: +message['to']+, +message['text']+ and so on. It holds the code: keep it out of
  # logs.
  class Message
    # The JSON text as the library wrote it; "" if it never came to that.
    attr_reader :json

    def initialize(json)
      @json = json.freeze
      @fields = json.empty? ? {} : JSON.parse(json)
    end

    # A member by its name; nil if it is absent.
    def [](name) = @fields[name]

    # All members.
    def to_h = @fields

    def inspect # :nodoc: without the code
      "#<#{self.class}>"
    end
  end

  # The answer to a call: OK, or a refusal to show the user. Its members are read as those of a Message:
  # +reply['attemptsLeft']+.
  #
  # The object itself is true whatever the answer: ask +ok?+. Never write +if otp.verify(...)+.
  class Reply < Message
    # The number of the result.
    attr_reader :result

    def initialize(result, json)
      super(json)
      @result = result
    end

    # Whether the answer is yes: of Service#verify, let the user in.
    def ok?
      result == OK
    end

    # The name of the result, such as "OTP_NOT_VALID".
    def name = Otp.result_name(result)

    # What to tell the user, or of a failure the log.
    def message = self['message'] || Otp.result_message(result)

    def inspect # :nodoc:
      "#<#{self.class} #{name}>"
    end
  end

  # The library could not answer; or this file refused to ask it, which is E_ARGUMENT with an empty reply. To log.
  #
  # The message is one line without a code, a token, a recipient or a key. If your send callback raised something, that
  # is the cause.
  class Error < StandardError
    # The Reply.
    attr_reader :reply

    def initialize(reply, message = reply.message)
      super("#{reply.name}: #{message}")
      @reply = reply
    end

    # The number of the result: negative.
    def result = reply.result

    # The name of the result, such as "OTP_E_STORE".
    def name = reply.name
  end

  # What C calls. Nothing may leave it but an answer, since that would jump over frames of C.
  module Callbacks # :nodoc:
    RAISED = :otp_raised
    ANSWERS = { nil => SENT, true => SENT, SENT => SENT, NOT_SENT => NOT_SENT }.freeze

    # None of these blocks sees the service, so that it can be collected.
    def self.send(callback)
      closure(Library::INT, Library::POINTER, Library::POINTER) do |_, message|
        guard(:send) { ANSWERS.fetch(callback.call(Message.new(Library.read(message))), 0) } || 0
      end
    end

    def self.clock(callback)
      closure(Library::LONG, Library::POINTER) do
        guard(:clock) { callback.call.to_i.clamp(0, 2**62) } || (Time.now.to_f * 1000).to_i
      end
    end

    def self.log(callback)
      closure(Fiddle::TYPE_VOID, Library::POINTER, Library::INT, Library::POINTER) do |_, level, event|
        guard(:log) { callback.call(level, Library.read(event)) }
      end
    end

    # C holds the address of the closure itself: the pointer keeps the collector from moving it.
    def self.closure(result, *parameters, &block)
      Fiddle::Pointer[Fiddle::Closure::BlockCaller.new(result, parameters, &block)]
    end

    def self.guard(name)
      answer = nil
      answer = yield
    rescue StandardError => e
      name == :send ? Thread.current[RAISED] = e : warn("libotp: the #{name} callback raised #{e.full_message}")
    rescue Exception => e # such as Interrupt: it is raised when the call is over
      Thread.current[RAISED] = e
    ensure
      return answer # ends a throw, too
    end

    # The result of a call, and what a callback raised in it. Calls may be nested.
    def self.watch
      outer = Thread.current[RAISED]
      Thread.current[RAISED] = nil
      [yield, Thread.current[RAISED]]
    ensure
      Thread.current[RAISED] = outer
    end

    # The finalizer of a service, which also keeps what C needs.
    def self.closer(handle, closures) = ->(_) { closures && Library.call(:close, handle) }
  end

  # Creates codes, has them delivered, and verifies each once.
  #
  # Every method returns OK and refusals as a Reply, and raises an Error where the library could not answer. Methods
  # wait for the disk, and those that send for the carrier; other threads run meanwhile, and any number of them may use
  # one service. Texts are encoded as UTF-8; nil is an absent one. What is JSON may be a String or a Hash. A service
  # that was open before a fork works in the child too. It is closed by #close, or when it is collected.
  class Service
    # The reply to opening: its "warnings" name what is allowed and not advisable.
    attr_reader :opened

    # Opens a service; with a block yields it, closes it after, and returns what the block does.
    #
    # A callback responds to +call+, as a Proc does. It may call the service. None can be used with the option
    # "background", whose thread is not Ruby's: call #run_due instead.
    #
    # +config+:: JSON text or a Hash, of which the braces may be left out; nil is all defaults
    # +send+:: delivers a Message, with sender "host". nil, true or SENT returned means sent, NOT_SENT certainly not;
    #          anything else, and an exception, that it may have been: the code stays good.
    # +clock+:: tells milliseconds since 1970. Where it raises, the system's time is taken.
    # +log+:: takes events: the level, and JSON text
    # +log_level+:: the highest level that the log wants
    def self.open(config = nil, **options)
      service = new(config, **options)
      return service unless block_given?

      begin
        yield service
      ensure
        service.close
      end
    end

    # Opens a service: see Service.open.
    def initialize(config = nil, send: nil, clock: nil, log: nil, log_level: LOG_INFO, **options)
      config = json(config || (options.empty? ? nil : options), 'config')
      @callbacks = { clock: clock, log: log, send: send }.compact
      if @callbacks.any? && background?(config)
        raise refusal('no callback can be used with "background": call run_due instead')
      end

      # Nothing may come between opening and knowing how to close, such as an exception from another thread.
      Thread.handle_interrupt(Object => :never) { open(config, log_level) }
    end

    # Draws a code for a token, which is your name for what the code is good for, and has it delivered.
    def create(token, request = nil) = invoke(:create, text(token, 'token'), json(request, 'request'))

    # Sends the same code again, from the first step of the workflow, for the time it has left.
    def resend(token) = invoke(:resend, text(token, 'token'))

    # Sends the same code again from the first step with this channel on, such as "sms".
    def resend_channel(token, channel) = invoke(:resend_channel, text(token, 'token'), text(channel, 'channel'))

    # With sender "none": says that the last message certainly did not leave. The reply hands the next one over.
    def not_sent(token) = invoke(:not_sent, text(token, 'token'))

    # Checks a code, and uses it up if it is right: of all calls in all processes exactly one gets OK. Let somebody in
    # on +verify(...).ok?+ and on nothing else.
    #
    # +context+ is what the code approves, exactly as the request of #create had it.
    def verify(token, code, context = nil)
      invoke(:verify_context, text(token, 'token'), text(code, 'code'), text(context, 'context'))
    end

    # Cancels the token's code, for good.
    def cancel(token) = invoke(:cancel, text(token, 'token'))

    # Says how the token's code stands. It sends nothing and counts nothing.
    def status(token) = invoke(:status, text(token, 'token'))

    # Takes a webhook of the carrier: the value of the header Authorization, or nil, and the bytes of the body. Answer
    # with Otp.http_status of the result, also that of an Error.
    def webhook(authorization, body)
      body = body&.b
      invoke(:webhook, text(authorization, 'authorization'), body, body.to_s.bytesize)
    end

    # Stores a receipt that you have authenticated, such as <tt>{ clientRef: ref, status: 'delivered' }</tt>.
    def report(report) = invoke(:report, json(report, 'report'))

    # Sends steps whose time has come, and removes old codes. Call it about once a second.
    def run_due = invoke(:run_due)

    # Says what the service has counted, such as "calls.create.OTP_OK".
    def metrics = invoke(:metrics)

    # For operators: copies the whole repository into another one, as a backup, or with "move" to move there.
    def copy(repository, options = nil) = invoke(:copy, text(repository, 'repository'), json(options, 'options'))

    # For operators: says how a subject stands.
    def subject(subject) = invoke(:subject, text(subject, 'subject'))

    # For operators: forgets the failures of a subject, and lifts its lock.
    def unlock(subject) = invoke(:unlock, text(subject, 'subject'))

    # For operators: erases every code that was sent to a recipient.
    def erase(recipient) = invoke(:erase, text(recipient, 'recipient'))

    # Closes the service, once the calls that other threads have in it are over; a second time does nothing. Any other
    # call raises an Error then. A callback may close it.
    def close
      handle, @handle = @handle, nil
      return unless handle

      Library.call(:close, handle)
      ObjectSpace.undefine_finalizer(self)
      nil
    end

    # Whether it is closed.
    def closed? = @handle.nil?

    def inspect # :nodoc:
      "#<#{self.class}#{' (closed)' if closed?}>"
    end

    private

    def initialize_copy(_original) = raise TypeError, 'a service cannot be copied'

    def open(config, log_level)
      handle = Library.memory(8)
      buffer = Library.memory(Library::REPLY_SIZE)
      result = Library.call(:open, config, handle, buffer, Library::REPLY_SIZE)
      @opened = Reply.new(result, Library.read(buffer))
      raise Error, @opened unless @opened.ok?

      @handle = handle[0, 8].unpack1('q')
      # C needs them until the service is closed, which may be within one of them: so they stay as long as this object.
      @closures = @callbacks.to_h { |name, callback| [name, Callbacks.public_send(name, callback)] }
      ObjectSpace.define_finalizer(self, Callbacks.closer(@handle, @closures))
      @closures.each do |name, closure|
        level = name == :log ? [log_level] : []
        set(name, Library.call(:"on_#{name}", @handle, *level, closure, nil, nil))
      end
    end

    def set(name, result)
      return if result == OK

      close
      raise Error.new(Reply.new(result, ''), "#{name} cannot be set: #{Otp.result_message(result)}")
    end

    def invoke(function, *arguments)
      handle = @handle or raise refusal('the service is closed')
      # A callback may call again, and so may other threads: no buffer is shared.
      buffer = Library.memory(Library::REPLY_SIZE)
      result, raised = Callbacks.watch { Library.call(function, handle, *arguments, buffer, Library::REPLY_SIZE) }
      raise raised unless raised.nil? || raised.is_a?(StandardError)

      reply = Reply.new(result, Library.read(buffer))
      raise Error.new(reply), cause: raised if result.negative?

      reply
    end

    # A text as C takes it, which would end it at a NUL without a word: "alice\0x" must not become "alice".
    def text(value, name)
      return if value.nil?
      raise TypeError, "#{name} must be a String, not #{value.class}" unless value.is_a?(String)

      is_bytes = [Encoding::BINARY, Encoding::US_ASCII].include?(value.encoding)
      utf8 = is_bytes ? value.dup.force_encoding(Encoding::UTF_8) : value.encode(Encoding::UTF_8)
      raise refusal("#{name} is not valid UTF-8") unless utf8.valid_encoding?
      raise refusal("#{name} must not have a NUL character") if utf8.include?("\0")

      "#{utf8}\0" # Ruby itself does not end every text by a NUL.
    rescue EncodingError
      raise refusal("#{name} cannot be encoded as UTF-8")
    end

    def json(value, name)
      text(value.is_a?(Hash) ? JSON.generate(value) : value, name)
    rescue JSON::GeneratorError
      raise refusal("#{name} cannot be written as JSON")
    end

    def refusal(message) = Error.new(Reply.new(E_ARGUMENT, ''), message)

    def background?(config)
      text = Library.memory(8)
      Library.call(:reply_text, config, "background\0", text, 8)
      text.to_s == 'true'
    end
  end
end
