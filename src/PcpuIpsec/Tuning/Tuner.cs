namespace PcpuIpsec.Tuning;

/// <summary>Changes settings, each noted in the journal first, and puts them back.</summary>
internal sealed class Tuner(ISettings settings, TuningJournal journal)
{
    /// <summary>What would be done; nothing is changed.</summary>
    public static IReadOnlyList<TuningResult> Plan(ISettings settings, IEnumerable<Wish> wishes) => [.. wishes.Select(w => Plan(settings, w))];

    /// <summary>
    /// Fulfils wishes in their order, stage by stage, since what is there to be set may follow from what was. Where one fails that
    /// is not optional all that were fulfilled before it are taken back, so that nothing is half-applied.
    /// </summary>
    public IReadOnlyList<TuningResult> Apply(params ReadOnlySpan<Func<IEnumerable<Wish>>> stages)
    {
        if (journal.IsOfEarlierBoot)
            journal.Keep([]);
        HashSet<string> noted = [.. journal.Entries.Select(e => e.Key)];
        List<TuningResult> results = [];
        List<JournalEntry> made = [];
        foreach (Func<IEnumerable<Wish>> stage in stages)
        {
            foreach (Wish wish in stage())
            {
                TuningResult result = Apply(wish, made) with { Why = wish.Why };
                results.Add(result);
                if (result.Outcome != TuningOutcome.Failed)
                    continue;
                List<TuningResult> taken = [.. PutBack(made).Where(r => r.Outcome != TuningOutcome.Unchanged)];
                HashSet<string> stuck = [.. taken.Where(r => r.Outcome == TuningOutcome.Failed).Select(r => r.Key)];
                if (journal.Entries.Count > noted.Count)
                    journal.Keep([.. journal.Entries.Where(e => noted.Contains(e.Key) || stuck.Contains(e.Key))]);
                return [.. results.Select(r => r == result ? r : taken.Find(t => t.Key == r.Key) ?? r)];
            }
        }
        return results;
    }

    /// <summary>
    /// Puts everything back, what was changed last first. What cannot be put back is named, and stays in the journal for the
    /// next time.
    /// </summary>
    public IReadOnlyList<TuningResult> Restore()
    {
        List<TuningResult> results = [.. journal.IsOfEarlierBoot ? journal.Entries.Reverse().Select(LookAfterBoot) : PutBack(journal.Entries)];
        HashSet<string> failed = [.. results.Where(r => r.Outcome == TuningOutcome.Failed).Select(r => r.Key)];
        journal.Keep([.. journal.Entries.Where(e => failed.Contains(e.Key))]);
        return results;
    }

    private static TuningResult Plan(ISettings settings, Wish wish)
    {
        try
        {
            ISetting setting = settings.Find(wish.Key);
            string? now = setting.Read();
            TuningResult result = now is null ? Missing(wish)
                : setting.AreSame(now, wish.Value) ? new TuningResult(wish.Key, now, now, TuningOutcome.Unchanged)
                : new TuningResult(wish.Key, now, wish.Value, TuningOutcome.Planned);
            return result with { Why = wish.Why };
        }
        catch (PcpuIpsecException e)
        {
            return new TuningResult(wish.Key, null, null, Failure(wish), e.Message) { Why = wish.Why };
        }
    }

    private TuningResult Apply(Wish wish, List<JournalEntry> made)
    {
        string? before = null;
        try
        {
            ISetting setting = settings.Find(wish.Key);
            before = setting.Read();
            if (before is null)
                return Missing(wish);
            if (setting.AreSame(before, wish.Value))
                return new TuningResult(wish.Key, before, before, TuningOutcome.Unchanged);
            foreach (string disturbed in wish.Disturbs)
                NoteDisturbed(disturbed, made);
            Note(wish.Key, before, wish.Value, made);
            setting.Write(wish.Value);
            string? after = setting.Read();
            return after is not null && setting.AreSame(after, wish.Value)
                ? new TuningResult(wish.Key, before, after, TuningOutcome.Changed)
                : new TuningResult(wish.Key, before, after, Failure(wish), $"'{wish.Value}' was taken without an error, and it is '{after}'");
        }
        catch (PcpuIpsecException e)
        {
            return new TuningResult(wish.Key, before, before, Failure(wish), e.Message);
        }
    }

    private static TuningOutcome Failure(Wish wish) => wish.IsOptional ? TuningOutcome.Refused : TuningOutcome.Failed;

    private static TuningResult Missing(Wish wish) => new(wish.Key, null, null, Failure(wish), "this host does not have it");

    private void NoteDisturbed(string key, List<JournalEntry> made)
    {
        try
        {
            if (settings.Find(key).Read() is { } value)
                Note(key, value, value, made);
        }
        catch (PcpuIpsecException)
        {
            // What cannot be read cannot be told to have changed.
        }
    }

    private void Note(string key, string before, string after, List<JournalEntry> made)
    {
        journal.Add(key, before, after);
        if (!made.Exists(e => e.Key == key))
            made.Add(new JournalEntry(key, before, after));
    }

    private List<TuningResult> PutBack(IReadOnlyList<JournalEntry> entries) => [.. entries.Reverse().Select(PutBack)];

    private TuningResult PutBack(JournalEntry entry)
    {
        string? now = null;
        try
        {
            ISetting setting = settings.Find(entry.Key);
            now = setting.Read();
            if (now is null)
                return new TuningResult(entry.Key, null, null, TuningOutcome.Gone, "it is not there any more");
            if (setting.AreSame(now, entry.Before))
                return new TuningResult(entry.Key, now, now, TuningOutcome.Unchanged);
            setting.Write(entry.Before);
            string? after = setting.Read();
            return after is not null && setting.AreSame(after, entry.Before)
                ? new TuningResult(entry.Key, now, after, TuningOutcome.Changed)
                : new TuningResult(entry.Key, now, after, TuningOutcome.Failed, $"'{entry.Before}' was taken without an error, and it is '{after}'");
        }
        catch (PcpuIpsecException e)
        {
            return new TuningResult(entry.Key, now, now, TuningOutcome.Failed, e.Message);
        }
    }

    /// <summary>All that we change is forgotten at a boot; what is otherwise than before was set since.</summary>
    private TuningResult LookAfterBoot(JournalEntry entry)
    {
        string? now = null;
        try
        {
            ISetting setting = settings.Find(entry.Key);
            now = setting.Read();
            return now is null ? new TuningResult(entry.Key, null, null, TuningOutcome.Gone, "it is not there since the host was booted")
                : setting.AreSame(now, entry.Before) ? new TuningResult(entry.Key, now, now, TuningOutcome.Unchanged, "the boot undid it")
                : new TuningResult(entry.Key, now, now, TuningOutcome.UndoneByBoot, $"it was '{entry.Before}' in an earlier boot and has been set anew since");
        }
        catch (PcpuIpsecException e)
        {
            return new TuningResult(entry.Key, now, now, TuningOutcome.UndoneByBoot, $"the host was booted since; it cannot be read: {e.Message}");
        }
    }
}
