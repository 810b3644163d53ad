Console.Error.WriteLine("usage: pcpu-ipsec lab [options]");
return 2;
