//! Completions for shells: what may follow on a line that begins with `otp`.

use crate::fault::{Fault, Result};
use crate::manual::COMMANDS;
use crate::page::{Listed, options_of};

/// The completions for the shell of this name.
pub fn of(shell: &str) -> Result<String> {
    match shell {
        "bash" => Ok(bash()),
        "zsh" => Ok(zsh()),
        "fish" => Ok(fish()),
        _ => Err(Fault::usage("completions: must be of bash, zsh or fish")),
    }
}

/// Words that a value is one of, as `one|another` in the manual says in lower case.
fn choices(option: &Listed) -> Option<Vec<&str>> {
    let value = option.value.as_deref()?;
    let is_literal = value.contains('|') && !value.contains(char::is_uppercase);
    is_literal.then(|| value.split('|').collect())
}

/// Whether the value is the name of a file.
fn is_file(option: &Listed) -> bool {
    option.value.as_deref().is_some_and(|value| value.contains("FILE"))
}

fn bash() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).chain(["help"]).collect();
    let mut text = format!(
        "# bash completion of otp\n\n_otp() {{\n  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}\n  \
         local word command= options\n  COMPREPLY=()\n  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n    \
         case $word in\n      {}) command=${{command:-$word}} ;;\n    esac\n  done\n  case $previous in\n",
        names.join("|")
    );
    let mut told = Vec::new();
    for option in COMMANDS.iter().flat_map(|command| options_of(Some(command))) {
        if option.value.is_none() || told.contains(&option.name) {
            continue;
        }
        let reply = match choices(&option) {
            Some(choices) => format!("COMPREPLY=($(compgen -W '{}' -- \"$current\"))", choices.join(" ")),
            None if is_file(&option) => {
                "mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); compopt -o filenames 2> /dev/null".to_owned()
            }
            None => ":".to_owned(),
        };
        text += &format!("    {}) {reply}; return ;;\n", option.name);
        told.push(option.name);
    }
    text += "  esac\n  case $command in\n";
    let words = |options: Vec<Listed>| options.into_iter().map(|option| option.name).collect::<Vec<_>>().join(" ");
    for command in COMMANDS {
        text += &format!("    {}) options='{}' ;;\n", command.name, words(options_of(Some(command))));
    }
    text += &format!("    help) options='{}' ;;\n", names.join(" "));
    text += &format!("    *) options='{} {}' ;;\n", names.join(" "), words(options_of(None)));
    text + "  esac\n  COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n}\n\ncomplete -F _otp otp\n"
}

fn zsh() -> String {
    let mut text = "#compdef otp\n\n_otp() {\n  local -a commands\n  commands=(\n".to_owned();
    for command in COMMANDS {
        text += &format!("    {}\n", quoted(&format!("{}:{}", command.name, command.summary)));
    }
    text += "    'help:the manual'\n  )\n  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n    \
             _describe command commands\n    return\n  fi\n  case $words[2] in\n";
    for command in COMMANDS {
        let operand = command.operand.map(|operand| format!(" {}", quoted(&format!("2:{operand}: "))));
        text += &format!("    {}) _arguments -S '1: : '{}", command.name, operand.unwrap_or_default());
        text += &zsh_options(options_of(Some(command)));
    }
    text += "    help) (( CURRENT == 3 )) && _describe command commands ;;\n    *) _arguments -S";
    text + &zsh_options(options_of(None)) + "  esac\n}\n\n_otp \"$@\"\n"
}

fn zsh_options(options: Vec<Listed>) -> String {
    let option = |option: Listed| {
        let about = option.about.replace('[', "(").replace(']', ")").replace(':', "\\:");
        let value = match (&option.value, choices(&option)) {
            (None, _) => String::new(),
            (Some(_), Some(choices)) => format!(":value:({})", choices.join(" ")),
            (Some(_), None) if is_file(&option) => ":file:_files".to_owned(),
            (Some(value), None) => format!(":{}: ", value.to_lowercase()),
        };
        format!(" \\\n      {}", quoted(&format!("{}[{about}]{value}", option.name)))
    };
    options.into_iter().map(option).collect::<String>() + " ;;\n"
}

fn fish() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    let mut text = "# fish completion of otp\n\ncomplete -c otp -f\n".to_owned();
    let first = "complete -c otp -n __fish_use_subcommand -a";
    for command in COMMANDS {
        text += &format!("{first} {} -d {}\n", command.name, fish_quoted(command.summary));
    }
    text += &format!("{first} help -d 'the manual'\n");
    text += &format!("complete -c otp -n '__fish_seen_subcommand_from help' -a '{}'\n", names.join(" "));
    for option in options_of(None) {
        text += &fish_option("", &option);
    }
    for command in COMMANDS {
        for option in crate::page::listed(command.manual) {
            text += &fish_option(&format!(" -n '__fish_seen_subcommand_from {}'", command.name), &option);
        }
    }
    text
}

fn fish_option(when: &str, option: &Listed) -> String {
    let value = match (&option.value, choices(option)) {
        (None, _) => String::new(),
        (Some(_), Some(choices)) => format!(" -x -a '{}'", choices.join(" ")),
        (Some(_), None) if is_file(option) => " -r -F".to_owned(),
        (Some(_), None) => " -x".to_owned(),
    };
    let name = option.name.trim_start_matches("--");
    format!("complete -c otp{when} -l {name}{value} -d {}\n", fish_quoted(&option.about))
}

/// In single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn fish_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
