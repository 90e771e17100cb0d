# formula.rb FORMULA plan mac|linux: what the formula depends on and does to install, a line of JSON each, nothing of it run.
# formula.rb FORMULA test EMBER VERSION: runs its test, on Linux, with that executable.
# As much of Homebrew as the formula uses.
require "json"
require "pathname"
require "shellwords"
require "tmpdir"

MODE, SUBJECT, VERSION = ARGV[1..]

module OS
  def self.mac? = MODE == "plan" && SUBJECT == "mac"
end

class Formula
  class << self
    attr_reader :steps

    def tell(*words)
      (@steps ||= []) << words.map(&:to_s)
    end

    %i[desc homepage url sha256 license].each { |name| define_method(name) { |value| tell(name, value) } }

    def depends_on(what)
      tell("depends_on", what.is_a?(Hash) ? what.to_a.flatten.join(" ") : what)
    end

    def on_macos = (yield if OS.mac?)

    def on_linux = (yield unless OS.mac?)

    def test(&block) = define_method(:run_test, &block)
  end

  # A folder of the package; `install` tells.
  class Folder < Pathname
    def install(file) = Formula.descendant.tell("install", self, file)
  end

  def self.inherited(child)
    super
    @descendant = child
  end

  def self.descendant = @descendant

  def bin = Folder.new(MODE == "test" ? File.dirname(SUBJECT) : "bin")

  def version = VERSION

  def testpath = Pathname.pwd

  def system(*words)
    return self.class.tell("system", *words) if MODE == "plan"

    Kernel.system(*words.map(&:to_s), out: File::NULL, err: File::NULL) or raise "failed: #{words.shelljoin}"
  end

  def generate_completions_from_executable(*words) = self.class.tell("completions", *words)

  def cd(folder)
    self.class.tell("cd", folder)
    yield
  end

  def shell_output(command)
    output = `#{command}`
    raise "failed: #{command}" unless $?.success?

    output
  end

  def assert_equal(wanted, got)
    raise "#{got.inspect} is not #{wanted.inspect}" unless wanted == got
  end

  def refute_path_exists(path)
    raise "#{path} is there" if File.exist?(path)
  end
end

load File.expand_path(ARGV[0])
formula = Formula.descendant.new
if MODE == "plan"
  formula.install
  Formula.descendant.steps.each { |step| puts JSON.generate(step) }
else
  Dir.mktmpdir { |folder| Dir.chdir(folder) { formula.run_test } }
end
