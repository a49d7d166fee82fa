# frozen_string_literal: true

# Answers the calls of the tests, line by line: every language runs the same vectors through its wrapper.
# A request:  CLOCK_MS  ANSWERS  CALL  ARGUMENTS...    An answer:  RESULT  REPLY  MESSAGE...    Parted by tabs.

require_relative 'otp'

# One service at most, and what its callbacks answer.
class Agent
  ESCAPES = { '\\' => '\\\\', "\t" => '\\t', "\n" => '\\n', "\r" => '\\r' }.freeze
  CALLS = %w[create resend verify cancel status webhook report run_due metrics unlock erase close].freeze

  def answer(line)
    clock, answers, call, *arguments = line.split("\t", -1)
    @clock = clock.to_i
    @answers = answers.split.map(&:to_i)
    @messages = []
    reply = reply_to(call, arguments.map { |part| unescape(part) })
    [reply ? reply.result.to_s : '0', reply ? reply.json : '', *@messages].map { |part| escape(part) }.join("\t")
  end

  def close
    @service&.close
  end

  private

  def reply_to(call, arguments)
    return open(*arguments) if call == 'open'
    raise "no such call: #{call}" unless CALLS.include?(call)
    raise "no service is open for #{call}" unless @service

    @service.public_send(call, *arguments)
  rescue Otp::Error => e
    e.reply
  end

  def open(config, sender)
    close
    @service = nil
    send = lambda do |message|
      @messages << message.json
      @answers.shift || Otp::SENT
    end
    @service = Otp::Service.new(config, send: (send if sender), clock: -> { @clock })
    @service.opened
  end

  def escape(part)
    part.gsub(/[\\\t\n\r]/, ESCAPES)
  end

  def unescape(part)
    part == '\\0' ? nil : part.gsub(/\\./m) { |pair| ESCAPES.key(pair) || raise("cannot read #{pair}") }
  end
end

begin
  $stdin.set_encoding(Encoding::UTF_8)
  $stdout.sync = true
  agent = Agent.new
  $stdin.each_line(chomp: true) { |line| $stdout.write("#{agent.answer(line)}\n") }
  agent.close
rescue StandardError => e
  warn e.full_message
  exit 1
end
